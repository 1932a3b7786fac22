"""A job: which model trains on which cluster, with which batch, sequence length and number format; not yet how."""

from __future__ import annotations

import datetime
import numbers
from dataclasses import dataclass
from typing import Any

from gigacluster.hardware import Cluster
from gigacluster.throughput import inputs
from gigacluster.throughput.ceiling import matmul_ceiling_flop_per_s as ceiling
from gigacluster.throughput.inputs import Case
from gigacluster.transformer import Transformer

__all__ = ["ATTENTION_KERNELS", "LARGEST_BATCH", "PRECISIONS", "Job"]

#: Most sequences of a step. A search looks at every divisor of the batch, and no batch in use comes near this.
LARGEST_BATCH = 10_000_000
#: Most tokens of a sequence, for the same reason.
_LONGEST_SEQUENCE = 10_000_000

#: Name of a number format of the linear layers -> its code, and the peak rate that the chip must have.
PRECISIONS = {
    "bf16": (inputs.PRECISION_BF16, "bf16"),
    "fp16": (inputs.PRECISION_BF16, "bf16"),
    "fp8": (inputs.PRECISION_FP8_DELAYED, "fp8"),
    "fp8_ds": (inputs.PRECISION_FP8_DELAYED, "fp8"),
    "fp8_cs": (inputs.PRECISION_FP8_CURRENT, "fp8"),
    "mxfp8": (inputs.PRECISION_MXFP8, "fp8"),
    "nvfp4": (inputs.PRECISION_NVFP4, "fp4"),
    "int8": (inputs.PRECISION_INT8, "int8"),
}
ATTENTION_KERNELS = {
    "unfused": inputs.ATTENTION_UNFUSED,
    "flash1": inputs.ATTENTION_FLASH1,
    "flash2": inputs.ATTENTION_FLASH2,
    "flash3": inputs.ATTENTION_FLASH3,
}
#: Chips from here on run the third generation of fused attention.
_HOPPER_SINCE = datetime.date(2022, 9, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Model, cluster, batch and number format of one training run, checked at birth."""

    model: Transformer
    cluster: Cluster
    global_batch: int  # sequences a step
    seq_len: int  # [token]
    precision: str = "bf16"
    attention: str = ""  # kernel of the attention core; blank: the newest that the chip has
    grad_bytes: float = 2.0  # bytes a gradient element in the reduction and in its buffer
    software_year: float = 2025.0  # date of the training software [year]
    idle_frac: float = 0.0  # share of the chips that a plan may leave idle
    chip_effect: float = 0.0  # logarithm of matmul time on this chip over the model's

    def __post_init__(self) -> None:
        if not self.attention:
            since_hopper = self.cluster.chip.vendor == "NVIDIA" and self.cluster.chip.available_on >= _HOPPER_SINCE
            object.__setattr__(self, "attention", "flash3" if since_hopper else "flash2")
        faults = []
        for field, most in (("global_batch", LARGEST_BATCH), ("seq_len", _LONGEST_SEQUENCE)):
            value = getattr(self, field)
            is_number = isinstance(value, numbers.Real)
            if not (is_number and 1 <= value <= most and value == int(value)):
                faults.append(f"{field} must be a whole number, at least 1 and at most {most:,}, got {value!r}")
        if self.precision not in PRECISIONS:
            faults.append(f"unknown precision {self.precision!r}; use one of: {', '.join(PRECISIONS)}")
        else:
            self.cluster.chip.peak_flop_per_s(PRECISIONS[self.precision][1])  # raises where the chip has none
        if self.attention not in ATTENTION_KERNELS:
            faults.append(f"unknown attention {self.attention!r}; use one of: {', '.join(ATTENTION_KERNELS)}")
        if not 1 <= self.grad_bytes <= 8:
            faults.append(f"grad_bytes must be between 1 and 8, got {self.grad_bytes!r}")
        if not 0 <= self.idle_frac < 1:
            faults.append(f"idle_frac must be in [0, 1), got {self.idle_frac!r}")
        if faults:
            raise ValueError("; ".join(faults))

    def case(self, **plan: Any) -> Case:
        """Return the case of this job under a plan: numbers or arrays named as the plan fields of a case."""
        chip, fabric = self.cluster.chip, self.cluster.fabric
        kind = {
            name: getattr(chip, name)
            for name in ("peak_bf16_flop_per_s", "peak_fp4_flop_per_s", "tdp_w", "n_processors")
        }
        eight_bit = chip.peak_int8_flop_per_s if self.precision == "int8" else chip.peak_fp8_flop_per_s
        return Case(
            **self.model.shape(),
            seq_len=float(self.seq_len),
            attention_kernel=float(ATTENTION_KERNELS[self.attention]),
            peak_bf16_flop_per_s=chip.peak_bf16_flop_per_s,
            peak_fp8_flop_per_s=eight_bit,
            peak_fp4_flop_per_s=chip.peak_fp4_flop_per_s,
            gemm_bf16_flop_per_s=float(ceiling(chip.gemm_bf16_flop_per_s, chip.peak_bf16_flop_per_s, **kind)),
            gemm_fp8_flop_per_s=float(ceiling(chip.gemm_fp8_flop_per_s, eight_bit, **kind)),
            memory_bytes=chip.memory_bytes,
            memory_bytes_per_s=chip.memory_bytes_per_s,
            scaleup_bytes_per_s=fabric.scaleup_bytes_per_s,
            scaleup_domain=float(fabric.scaleup_domain),
            nic_bytes_per_s=fabric.nic_bytes_per_s / fabric.oversubscription,
            n_processors=chip.n_processors,
            global_batch=float(self.global_batch),
            precision=float(PRECISIONS[self.precision][0]),
            grad_bytes=self.grad_bytes,
            fp8_params=1.0 if "fp8" in self.precision else 0.0,
            software_year=self.software_year,
            chip_effect=self.chip_effect,
            **plan,
        )

    @property
    def peak_flop_per_s(self) -> float:
        """Dense peak of one chip at the number format of the job."""
        return self.cluster.chip.peak_flop_per_s(PRECISIONS[self.precision][1])

    @property
    def step_flop(self) -> float:
        """Model FLOP of one optimizer step, without recomputation."""
        return float(self.model.flop_per_token(self.seq_len)) * self.seq_len * self.global_batch

    @property
    def tokens(self) -> float:
        """Tokens of one optimizer step."""
        return float(self.seq_len * self.global_batch)
