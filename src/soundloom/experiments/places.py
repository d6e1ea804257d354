"""Where MLflow's store keeps what it holds, also once the project lies elsewhere.

MLflow writes the absolute place of every experiment and run into its database. A project that was
moved would look for its files where they were, and a copy write into the original's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from soundloom.common.errors import SoundloomError

DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"
# Every column of MLflow's database that says where files lie.
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def own_uri(root: Path) -> str:
    """Address of the database of the repository at ``root``, any character of the path quoted.

    It names the driver: for plain ``sqlite:///``, MLflow makes the folders that it reads there, and
    does not undo the quoting as it does so.

    Raises :class:`SoundloomError` when ``root`` is not UTF-8, which no address can hold.
    """
    from sqlalchemy import URL

    try:
        return URL.create("sqlite+pysqlite", database=str(root / DATABASE)).render_as_string()
    except UnicodeEncodeError:
        raise SoundloomError(
            f"{str(root)!a}: the project's path is not UTF-8, which MLflow cannot store; rename it"
        ) from None


def whole_uri(uri: str, root: Path) -> str:
    """An address that the user named; of an SQLite database, as :func:`own_uri` writes it.

    A relative path is one below ``root``: or it would be another in each of DVC's temporary
    workspaces, and be gone with them.
    """
    from sqlalchemy import make_url

    path = database_path(uri)
    if path is None:
        return uri
    url = make_url(uri).set(drivername="sqlite+pysqlite", database=str(root / path))
    return url.render_as_string(hide_password=False)


def database_path(uri: str) -> Path | None:
    """The file of an SQLite database; None for every other address."""
    from sqlalchemy import make_url

    is_sqlite = uri.startswith("sqlite") and "://" in uri
    return Path(make_url(uri).database or "") if is_sqlite else None


def artifacts_uri(root: Path) -> str:
    """Where the files of the runs of the repository at ``root`` lie."""
    return (root / ARTIFACTS).as_uri()


def local_folder(place: str) -> Path | None:
    """The folder that a place in MLflow's database stands for; None for a server's or a cloud's."""
    from mlflow.utils.file_utils import get_local_path_or_none

    path = get_local_path_or_none(place)
    return None if path is None else Path(path)


def bring_along(root: Path) -> None:
    """Turn all places in the database of ``root`` that are below another project's ``mlartifacts``.

    That is where the project lay before it was moved, or what it is a copy of. All or nothing.
    """
    here = artifacts_uri(root)
    with closing(sqlite3.connect(root / DATABASE, timeout=30.0)) as database, database:
        places = [place for place in _PLACES if _has(database, place[0])]
        for former in list(_former(database)) if places else []:
            if former != here:
                for table, column in places:
                    database.execute(
                        f"UPDATE {table} SET {column} = ?1 || substr({column}, length(?2) + 1) "
                        f"WHERE substr({column} || '/', 1, length(?2) + 1) = ?2 || '/'",
                        (here, former),
                    )


def _has(database: sqlite3.Connection, table: str) -> bool:
    found = database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,))
    return found.fetchone() is not None


def _former(database: sqlite3.Connection) -> Iterator[str]:
    """The places of experiments, those here too, as this project and its page name them."""
    for (place,) in database.execute("SELECT DISTINCT artifact_location FROM experiments"):
        folder, found, below = str(place).rpartition(f"/{ARTIFACTS}")
        # The page puts every experiment that is made on it into a folder of its own.
        if found and (not below or below[1:].isdigit()):
            yield folder + found
