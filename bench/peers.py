# /// script
# requires-python = ">=3.11"
# dependencies = ["torch>=2.8", "transformers>=5,<6", "diffusers>=0.35"]
# ///
"""How fast other generators make music on this machine: seconds of sound a second.

They need packages that nothing else here does, in an environment of their own: ``uv run
bench/peers.py``, or ``pip install torch transformers diffusers`` first. Their sizes are those that
were published, their weights random: how long a step takes does not depend on them.

*MusicGen-small* (Copet et al. 2023): 24 layers of 1024, a text of a few words, with guidance, so
that each step is computed twice, and EnCodec at 32 kHz. *audio-diffusion-256*, a U-Net on mel
spectrograms of 256 by 256, 5 s each: 50 steps of DDIM, as its authors run it; the spectrogram still
has to be turned into sound, which is left out.

Soundloom's own figures are in results.md: run ``bench/speed.py`` beside this, on the same machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

from option_types import above_zero, at_least  # type: ignore[import-not-found]

try:
    import torch
    from diffusers import DDIMScheduler, UNet2DModel
    from transformers import (
        EncodecConfig,
        MusicgenConfig,
        MusicgenForConditionalGeneration,
        T5Config,
    )
    from transformers.models.musicgen.configuration_musicgen import MusicgenDecoderConfig
except ImportError as error:
    raise SystemExit(f"{error}: `uv run bench/peers.py` installs what it needs") from None


def musicgen_small(seconds: float) -> Callable[[], object]:
    """Its makers' configuration, of random weights."""
    text = T5Config(
        d_model=768, d_ff=3072, num_layers=12, num_decoder_layers=12, num_heads=12, vocab_size=32128
    )
    codec = EncodecConfig(
        sampling_rate=32_000,
        audio_channels=1,
        target_bandwidths=[2.2],
        upsampling_ratios=[8, 5, 4, 4],
        codebook_size=2048,
        num_filters=64,
        normalize=False,
        use_causal_conv=False,
        chunk_length_s=None,
        overlap=None,
    )
    decoder = MusicgenDecoderConfig(
        vocab_size=2048, num_hidden_layers=24, ffn_dim=4096, num_attention_heads=16,
        hidden_size=1024, num_codebooks=4,
    )  # fmt: skip
    config = MusicgenConfig(
        text_encoder=text.to_dict(), audio_encoder=codec.to_dict(), decoder=decoder.to_dict()
    )
    model = MusicgenForConditionalGeneration(config).eval()
    model.generation_config.pad_token_id = 2048
    model.generation_config.decoder_start_token_id = 2048
    model.generation_config.guidance_scale = 3.0
    words = torch.ones((1, 8), dtype=torch.long)
    steps = round(seconds * 50)

    def generate() -> object:
        return model.generate(
            inputs=words,
            do_sample=True,
            max_new_tokens=steps,
            attention_mask=torch.ones_like(words),
        )

    return generate


def audio_diffusion_256() -> Callable[[], object]:
    """Its makers' U-Net, of random weights: 5 s a call."""
    down = ("DownBlock2D",) * 4 + ("AttnDownBlock2D", "DownBlock2D")
    up = ("UpBlock2D", "AttnUpBlock2D") + ("UpBlock2D",) * 4
    network = UNet2DModel(
        sample_size=256, in_channels=1, out_channels=1, layers_per_block=2,
        block_out_channels=(128, 128, 256, 256, 512, 512), down_block_types=down, up_block_types=up,
    ).eval()  # fmt: skip
    scheduler = DDIMScheduler(num_train_timesteps=1000)
    scheduler.set_timesteps(50)

    def generate() -> object:
        image = torch.randn((1, 1, 256, 256))
        for step in scheduler.timesteps:
            image = scheduler.step(network(image, step).sample, step, image).prev_sample
        return image

    return generate


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=above_zero, default=5.0, help="of sound, of MusicGen")
    parser.add_argument("--repeats", type=at_least(1), default=3)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    peers = {
        "MusicGen-small": (musicgen_small(arguments.seconds), arguments.seconds),
        "audio-diffusion-256": (audio_diffusion_256(), 5.0),
    }
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    print("| generator | seconds of sound in a second |\n|---|--:|")
    with torch.inference_mode():
        for name, (generate, seconds) in peers.items():
            times = []
            for _ in range(arguments.repeats):
                began = time.perf_counter()
                generate()
                times.append(time.perf_counter() - began)
            print(f"| {name} | {seconds / median(times):.3f} × |", flush=True)


if __name__ == "__main__":
    main()
