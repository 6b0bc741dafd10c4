"""The U-Net of guided-diffusion (Dhariwal and Nichol 2021) in PyTorch, written from its configuration.

Parameters carry the names of published checkpoints, so a state dict of one loads with strict=True. It is here to be timed and
compared with, not to be used: `compare_pytorch.py` does both.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


class Norm(nn.GroupNorm):
    """32 groups; computed in float32 as the published class does it, unless `native` leaves that to PyTorch."""

    native = False

    def __init__(self, channels):
        super().__init__(32, channels)

    def forward(self, x):
        return super().forward(x) if self.native else super().forward(x.float()).type(x.dtype)


def resized(x, how):
    if how == "up":
        return F.interpolate(x, scale_factor=2, mode="nearest")
    return F.avg_pool2d(x, 2) if how == "down" else x


class Residual(nn.Module):
    def __init__(self, c_in, c_out, embedding, scale_shift, how=None):
        super().__init__()
        self.scale_shift, self.how = scale_shift, how
        self.in_layers = nn.Sequential(Norm(c_in), nn.SiLU(), nn.Conv2d(c_in, c_out, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * c_out if scale_shift else c_out))
        self.out_layers = nn.Sequential(Norm(c_out), nn.SiLU(), nn.Identity(), nn.Conv2d(c_out, c_out, 3, padding=1))
        self.skip_connection = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)

    def forward(self, x, embedding):
        norm, silu, convolution = self.in_layers
        h = convolution(resized(silu(norm(x)), self.how))
        x = resized(x, self.how)
        modulation = self.emb_layers(embedding)[:, :, None, None]
        if self.scale_shift:
            scale, shift = modulation.chunk(2, dim=1)
            norm, silu, _, convolution = self.out_layers
            h = convolution(silu(norm(h) * (1 + scale) + shift))
        else:
            h = self.out_layers(h + modulation)
        return self.skip_connection(x) + h


class Attention(nn.Module):
    fused = False  # PyTorch's own attention, in place of the published two products

    def __init__(self, channels, heads, split_first):
        super().__init__()
        self.heads, self.split_first = heads, split_first
        self.norm = Norm(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x, embedding):
        n, channels = x.shape[:2]
        flat = x.reshape(n, channels, -1)
        qkv, c = self.qkv(self.norm(flat)), channels // self.heads
        if self.split_first:  # all queries, all keys, all values; else those of a head after each other
            q, k, v = (part.reshape(n * self.heads, c, -1) for part in qkv.chunk(3, dim=1))
        else:
            q, k, v = qkv.reshape(n * self.heads, 3 * c, -1).split(c, dim=1)
        if self.fused:
            y = F.scaled_dot_product_attention(*(m.transpose(1, 2) for m in (q, k, v))).transpose(1, 2)
        else:
            scale = 1 / math.sqrt(math.sqrt(c))
            weights = torch.einsum("nct,ncs->nts", q * scale, k * scale)
            weights = torch.softmax(weights.float(), dim=-1).type(weights.dtype)
            y = torch.einsum("nts,ncs->nct", weights, v)
        return (flat + self.proj_out(y.reshape(n, channels, -1))).reshape(x.shape)


class Resampling(nn.Module):
    def __init__(self, channels, how, learned):
        super().__init__()
        self.how = how
        if learned and how == "up":
            self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        elif learned:
            self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x, embedding):
        if hasattr(self, "op"):
            return self.op(x)
        x = resized(x, self.how)
        return self.conv(x) if hasattr(self, "conv") else x


class First(nn.Conv2d):
    def forward(self, x, embedding):
        return super().forward(x)


class UNet(nn.Module):
    """`config` holds the fields of `tweedie::UNetConfig`, as `tweedie-bench --model NAME --json` shows them."""

    def __init__(self, config):
        super().__init__()
        self.config = c = config
        self.width = c["model_channels"]
        embedding, levels = 4 * self.width, len(c["channel_mult"])
        channels = [int(factor * self.width) for factor in c["channel_mult"]]
        attends = [c["image_size"] // 2**level in c["attention_resolutions"] for level in range(levels)]
        self.time_embed = nn.Sequential(nn.Linear(self.width, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        if c.get("num_classes"):
            self.label_emb = nn.Embedding(c["num_classes"], embedding)

        def residual(c_in, c_out, how=None):
            return Residual(c_in, c_out, embedding, c["use_scale_shift_norm"], how)

        def attention(at, up=False):
            heads = c["num_heads_upsample"] if up and c["num_heads_upsample"] != -1 else c["num_heads"]
            heads = heads if c["num_head_channels"] == -1 else at // c["num_head_channels"]
            return Attention(at, heads, c["use_new_attention_order"])

        def resampling(at, how):
            return residual(at, at, how) if c["resblock_updown"] else Resampling(at, how, c["conv_resample"])

        self.input_blocks = nn.ModuleList([nn.ModuleList([First(c["in_channels"], channels[0], 3, padding=1)])])
        at, kept = channels[0], [channels[0]]
        for level in range(levels):
            for _ in range(c["num_res_blocks"]):
                block = [residual(at, channels[level])]
                at = channels[level]
                if attends[level]:
                    block.append(attention(at))
                self.input_blocks.append(nn.ModuleList(block))
                kept.append(at)
            if level + 1 < levels:
                self.input_blocks.append(nn.ModuleList([resampling(at, "down")]))
                kept.append(at)
        self.middle_block = nn.ModuleList([residual(at, at), attention(at), residual(at, at)])
        self.output_blocks = nn.ModuleList()
        for level in reversed(range(levels)):
            for i in range(c["num_res_blocks"] + 1):
                block = [residual(at + kept.pop(), channels[level])]
                at = channels[level]
                if attends[level]:
                    block.append(attention(at, up=True))
                if level > 0 and i == c["num_res_blocks"]:
                    block.append(resampling(at, "up"))
                self.output_blocks.append(nn.ModuleList(block))
        self.out = nn.Sequential(Norm(at), nn.SiLU(), nn.Conv2d(at, c["out_channels"], 3, padding=1))

    def embed(self, timesteps, labels, dtype):
        half = self.width // 2
        frequencies = torch.exp(-math.log(10000) / half * torch.arange(half, dtype=torch.float32))
        angles = timesteps.float()[:, None] * frequencies
        embedding = self.time_embed(torch.cat([angles.cos(), angles.sin()], dim=1).to(dtype))
        return embedding if labels is None else embedding + self.label_emb(labels)

    def forward(self, x, timesteps, labels=None):
        embedding, h, kept = self.embed(timesteps, labels, x.dtype), x, []
        for block in self.input_blocks:
            for module in block:
                h = module(h, embedding)
            kept.append(h)
        for module in self.middle_block:
            h = module(h, embedding)
        for block in self.output_blocks:
            h = torch.cat([h, kept.pop()], dim=1)
            for module in block:
                h = module(h, embedding)
        return self.out(h)


def randomise(network, seed=1):
    """Values that keep the size of what passes through, the last convolution of each block included (published: zeros)."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in network.named_parameters():
            if p.dim() > 1 and "label_emb" not in name:
                p.normal_(0, 1 / math.sqrt(p[0].numel()), generator=generator)
            elif p.dim() == 1:
                centre = 1.0 if name.endswith("weight") else 0.0  # a norm's scale, or a bias
                p.copy_(centre + 0.1 * torch.randn(p.shape, generator=generator))
            else:
                p.normal_(0, 1, generator=generator)
    return network
