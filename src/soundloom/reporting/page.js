"use strict";
// Players: one at a time, pictures that follow them, and keys.
const JUMP_SECONDS = 5;
const players = [...document.querySelectorAll("audio[controls]")];
let current = null;  // what played last: keys are for it
let sequence = null;  // [first, second]: the second follows when the first ends by itself

// Events of players do not bubble: they are caught on their way down, the blind test's too.
document.addEventListener("play", ({ target: player }) => {
  if (current !== player) {
    current?.pause();
    current?.closest(".sound")?.classList.remove("current");
    player.closest(".sound")?.classList.add("current");
    current = player;
  }
  if (sequence && !sequence.includes(player)) sequence = null;
}, true);

for (const player of players) {
  const picture = player.closest(".sound").querySelector(".picture");
  player.addEventListener("ended", () => {
    if (sequence?.[0] === player) play(sequence[1], 0);
  });
  // After a click of the mouse, keys are the page's; who comes by Tab has the player's own.
  player.addEventListener("pointerup", () => player.blur());
  if (!picture) continue;
  const { left, right } = picture.dataset;
  player.addEventListener("play", () => follow(player, picture));
  player.addEventListener("seeked", () => mark(player, picture));
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width - left) / (right - left);
    play(player, Math.min(Math.max(share, 0), 1) * player.duration);
  });
}

for (const button of document.querySelectorAll("button[data-first]")) {
  button.hidden = false;
  button.addEventListener("click", (event) => {
    const { first, second } = button.dataset;
    sequence = [document.getElementById(first), document.getElementById(second)];
    play(sequence[0], 0);
    if (event.detail) button.blur();  // as above
  });
}

// Links to the files beside lead nowhere when the page alone is sent on.
if (location.protocol !== "file:") {
  for (const link of document.querySelectorAll("a.file")) link.hidden = true;
}

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const { key, target } = event;
  const hasArrows = target.closest("audio, .scroll");
  const playing = current && !current.paused;
  if (key === " " && !event.repeat && !target.closest("a, audio, button, summary")) {
    const player = current ?? players.find((one) => one.getBoundingClientRect().top > 0);
    if (playing) player.pause();
    else if (player) play(player, player.currentTime);
  } else if ((key === "ArrowLeft" || key === "ArrowRight") && current && !hasArrows) {
    const seconds = current.currentTime + (key === "ArrowLeft" ? -JUMP_SECONDS : JUMP_SECONDS);
    current.currentTime = Math.min(Math.max(seconds, 0), current.duration);
  } else if ((key === "ArrowUp" || key === "ArrowDown") && playing && current.controls) {
    const other = players[players.indexOf(current) + (key === "ArrowUp" ? -1 : 1)];
    if (other) {
      play(other, 0);
      other.closest(".sound").scrollIntoView({ block: "nearest" });
    }
  } else {
    return;
  }
  event.preventDefault();
});

function play(player, seconds) {
  player.currentTime = seconds === player.duration ? 0 : seconds;
  player.play().catch(() => {});  // Refused, or paused again at once: the player shows it.
}

function follow(player, picture) {
  mark(player, picture);
  if (!player.paused) requestAnimationFrame(() => follow(player, picture));
}

function mark(player, picture) {
  const { left, right } = picture.dataset;
  const share = player.currentTime / player.duration || 0;
  const playhead = picture.querySelector(".playhead");
  playhead.hidden = false;
  playhead.style.left = `${100 * (Number(left) + share * (right - left))}%`;
}
