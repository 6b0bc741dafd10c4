"""Times a DPS step of a U-Net in PyTorch beside `tweedie-bench`, after a check that both compute the same.

Started by tools/compare_pytorch.sh, which says what it prints.
"""

import argparse
import copy
import json
import os
import re
import statistics
import subprocess
import tempfile
import time

import h5py
import numpy as np
import torch
from pytorch_unet import Attention, Norm, UNet, randomise
from safetensors.torch import load_file


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"compare_pytorch: {' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def bench(options, repeats, precision="fp32"):
    which = ["--model", options.model] if options.model else ["--config", options.config]
    threads = ["--threads", str(options.threads)] if options.threads else []
    return json.loads(
        run(f"{options.bin}/tweedie-bench", *which, "--device", "cpu", "--json", "--repeats", str(repeats), *threads,
            "--batch", str(options.batch), "--precision", precision))


# ---- whether both compute the same -----------------------------------------------------------------------


def small(config):
    """The same topology with few channels: attention and heads where they were, each norm with its 32 groups."""
    narrow = dict(config, model_channels=64)
    if config["num_head_channels"] != -1:
        narrow["num_head_channels"] = 32
    return narrow


def inputs(config, side, batch):
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(batch, config["in_channels"], side, side, generator=generator)
    labels = torch.zeros(batch, dtype=torch.long) if config.get("num_classes") else None
    return x, torch.full((batch,), 321.0), labels


def check_agreement(options, config, folder):
    """A narrow network's weights go to a weight file and from there to both formats; PyTorch's numbers go to tweedie-verify."""
    network = randomise(UNet(small(config)))
    x, t, labels = inputs(config, max(64, 2 ** (len(config["channel_mult"]) - 1)), 1)
    x.requires_grad_(True)
    out = network(x, t, labels)
    cotangent = torch.randn(out.shape, generator=torch.Generator().manual_seed(3))
    (gradient,) = torch.autograd.grad(out, x, cotangent)
    settings = f"{folder}/config.json"
    with open(settings, "w") as file:
        json.dump(network.config, file)
    torch.save(network.state_dict(), f"{folder}/theirs.pt")
    convert = f"{options.bin}/tweedie-convert"
    run(convert, f"{folder}/theirs.pt", f"{folder}/ours.h5", "--config", settings)
    for name, load in (("pt", lambda path: torch.load(path, weights_only=True)), ("safetensors", load_file)):
        run(convert, f"{folder}/ours.h5", f"{folder}/back.{name}", "--to", name)
        back = UNet(small(config))
        back.load_state_dict(load(f"{folder}/back.{name}"), strict=True)
        for key, value in back.state_dict().items():
            if not torch.equal(value, network.state_dict()[key]):
                raise SystemExit(f"compare_pytorch: {key} came back from --to {name} with other values")
        print(f"a state dict written by tweedie-convert --to {name} loads with strict=True, all values as they were")
    for dtype, most in ((torch.float32, 1e-4), (torch.bfloat16, 0.1)):
        with torch.no_grad():
            fast = tuned(network, dtype)(x.to(dtype, memory_format=torch.channels_last), t, labels).float()
            error = float((fast - out).norm() / out.norm())
        if not error <= most:
            raise SystemExit(f"compare_pytorch: PyTorch's fast form in {dtype} is off by {error:.1e}, at most {most}")
        print(f"  PyTorch's fast form, {str(dtype).removeprefix('torch.'):<9} relative error {error:.1e} (at most {most:.0e})")
    with h5py.File(f"{folder}/reference.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(network.config)
        file.attrs["timesteps"] = "network"
        arrays = {"x": x, "out": out, "grad_out": cotangent, "grad_x": gradient}
        for name, tensor in arrays.items():
            file[name] = tensor.detach().numpy()
        file["t"] = t.numpy().astype(np.float64)
        if labels is not None:
            file["y"] = labels.numpy()
    report = json.loads(run(f"{options.bin}/tweedie-verify", f"{folder}/reference.h5", "--weights", f"{folder}/ours.h5",
                            "--device", "cpu", "--json"))
    for check in report["files"][f"{folder}/reference.h5"]:
        print(f"  {check['array']:<16} relative error {check['relative_error']:.1e} (at most {check['tolerance']:.0e})")


# ---- timing ----------------------------------------------------------------------------------------------


class Step:
    """One DPS step from random states: forward, the misfit's gradient back to the input, and the update of the image."""

    def __init__(self, network, side, batch, dtype=torch.float32, channels_last=False):
        self.network, self.dtype = network, dtype
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.x, self.t, self.labels = inputs(network.config, side, batch)
        self.mask = (torch.rand(1, 1, side, side) < 0.08).float()
        self.y = self.mask * torch.randn_like(self.x)

    def __call__(self):
        start = time.perf_counter()
        x = self.x.detach().requires_grad_(True)
        out = self.network(x.to(self.dtype, memory_format=self.format), self.t, self.labels).float()
        noise = out[:, : x.shape[1]]
        abar = 0.5
        x0 = ((x - (1 - abar) ** 0.5 * noise) / abar**0.5).clamp(-1, 1)
        (gradient,) = torch.autograd.grad(torch.linalg.norm(self.y - self.mask * x0), x)
        with torch.no_grad():
            self.x = 0.7 * x0 + 0.3 * x + 0.5 * torch.randn_like(x) - 0.3 * gradient
        return time.perf_counter() - start


def tuned(network, dtype):
    """Frozen, channels last, PyTorch's own norm and attention: the fastest eager form known."""
    network = copy.deepcopy(network).requires_grad_(False).to(dtype, memory_format=torch.channels_last)
    for module in network.modules():
        if isinstance(module, Norm):
            module.native = True
        if isinstance(module, Attention):
            module.fused = True
    return network


def variants(options, config):
    network = randomise(UNet(config)).eval()
    side, batch = config["image_size"], options.batch
    best = tuned(network, torch.float32)
    steps = {
        "PyTorch fp32, as published": Step(network, side, batch),
        "PyTorch fp32, frozen, channels last": Step(best, side, batch, channels_last=True),
        "PyTorch bf16, frozen, channels last":
            Step(tuned(network, torch.bfloat16), side, batch, torch.bfloat16, channels_last=True),
    }
    if options.compile:
        steps["PyTorch fp32, compiled"] = Step(torch.compile(best), side, batch, channels_last=True)
    return steps


def row(name, seconds, ours):
    ratios = sorted(theirs / mine for theirs, mine in zip(seconds, ours))
    return (f"  {name:<38} {statistics.median(seconds):8.3f} s ({min(seconds):.3f} to {max(seconds):.3f})"
            f" {statistics.median(ratios):8.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def compare(options, first):
    steps = variants(options, first["config"])
    for step in steps.values():
        step()  # primitives are made and memory is taken in the first
    seconds = {"ours": [], "ours, bf16": [], **{name: [] for name in steps}}
    for _ in range(options.rounds):  # one after another in each round: what slows the machine slows all
        seconds["ours"].append(bench(options, options.repeats)["step_seconds"])
        if options.bf16:
            seconds["ours, bf16"].append(bench(options, options.repeats, "bf16")["step_seconds"])
        for name, step in steps.items():
            seconds[name].append(statistics.median(step() for _ in range(options.repeats)))
    print(f"\none DPS step of {os.path.basename(first['model'])}, batch {options.batch}, {first['image'][0]}x{first['image'][1]}, "
          f"{options.threads} threads, PyTorch {torch.__version__}, {first['device']}\n"
          f"  {'':<38} {'median of ' + str(options.rounds) + ' rounds':<27} times ours")
    for name, each in seconds.items():
        if each:
            print(row(name, each, seconds["ours"]))


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--model", default="")
    parser.add_argument("--config", default="")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)  # none: as many as tweedie-bench takes by itself
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    first = bench(options, 1)
    options.threads = first["threads"]
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        check_agreement(options, first["config"], folder)
    with open("/proc/cpuinfo") as file:
        options.bf16 = re.search(r"\b(avx512_bf16|amx_bf16)\b", file.read())
    compare(options, first)


if __name__ == "__main__":
    main()
