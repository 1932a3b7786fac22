"""A job: which model trains on which cluster, with which batch, sequence length and number format; not yet how."""

from __future__ import annotations

import datetime
import numbers
from dataclasses import dataclass
from typing import Any

from gigacluster.hardware import Chip, Cluster
from gigacluster.names import outside_model, unknown
from gigacluster.throughput import case as codes
from gigacluster.throughput.case import Case, chip_fields
from gigacluster.throughput.software import Software
from gigacluster.throughput.words import ATTENTION, ATTENTION_KERNELS, PRECISION, PRECISIONS, software_year
from gigacluster.transformer import Transformer

#: Most sequences of a step. A search looks at every divisor of the batch, and no batch in use comes near this.
LARGEST_BATCH = 10_000_000
#: Most tokens of a sequence, for the same reason.
_LONGEST_SEQUENCE = 10_000_000

#: Kinds of framework by name.
FRAMEWORKS = {"megatron": codes.FRAMEWORK_MEGATRON, "fsdp": codes.FRAMEWORK_FSDP, "xla": codes.FRAMEWORK_XLA}
#: Chips from here on run the third generation of fused attention.
_HOPPER_SINCE = datetime.date(2022, 9, 1)
#: Chips before have no fused kernel of the second generation.
_FUSED_SINCE = datetime.date(2020, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Job(Software):
    """Model, cluster, batch, number format and software of one training run, checked at birth."""

    model: Transformer
    cluster: Cluster
    global_batch: int  # sequences a step
    seq_len: int  # [token]
    precision: str = "bf16"
    attention: str = ""  # kernel of the attention core; blank: the newest that the chip has
    framework: str = "megatron"  # or fsdp, xla: what of it is not a plan
    software_year: float = 2025.0  # date of the training software [year]
    idle_frac: float = 0.0  # share of the chips that a plan may leave idle
    chip_effect: float = 0.0  # logarithm of matmul time on this chip over the model's
    family_effect: float = 0.0  # logarithm of step time of the reader's stack over the model's

    def _faults(self) -> list[str]:
        faults = super()._faults()
        if not self.attention:
            object.__setattr__(self, "attention", self.attention_backend or _newest_kernel(self.cluster.chip))
        for field, vocabulary in (("attention", ATTENTION), ("precision", PRECISION)):
            try:
                object.__setattr__(self, field, vocabulary.read(getattr(self, field)))
            except ValueError as fault:
                faults.append(str(fault).replace(vocabulary.column, field))
        faults += filter(None, [outside_model(self.model.name)])
        # A release that is no date says nothing of when.
        object.__setattr__(self, "software_year", software_year("", self.software_year - 0.5, self.release))
        faults += self._number_faults()
        if self.precision in PRECISIONS:
            self.cluster.chip.peak_flop_per_s(PRECISIONS[self.precision][1])  # raises where the chip has none
        if self.framework not in FRAMEWORKS:
            faults.append(unknown("framework", self.framework, FRAMEWORKS))
        return faults

    def _number_faults(self) -> list[str]:
        faults = []
        for field, most in (("global_batch", LARGEST_BATCH), ("seq_len", _LONGEST_SEQUENCE)):
            value = getattr(self, field)
            is_number = isinstance(value, numbers.Real)
            if not (is_number and 1 <= value <= most and value == int(value)):
                faults.append(f"{field} must be a whole number, at least 1 and at most {most:,}, got {value!r}")
        if not 0 <= self.idle_frac < 1:
            faults.append(f"idle_frac must be in [0, 1), got {self.idle_frac!r}")
        return faults

    def case(self, software: Software | None = None, **plan: Any) -> Case:
        """Return the case of this job under a plan: numbers or arrays named as the plan fields of a case.

        Parameters
        ----------
        software : Inputs that go before those of the job where they are not blank.
        **plan : Fields of :class:`Case`; where none says what is computed again, nothing is.
        """
        stack = FRAMEWORKS[self.framework]
        told = self.software() if software is None else software.over(self)
        year = software_year("", self.software_year - 0.5, told.release)
        kernel = self.attention if software is None else software.attention_backend or self.attention
        fields = told.fields(stack=stack, year=year, moe=self.model.n_experts > 0)
        return Case(
            **{
                **self.model.shape(),
                **fields,
                **(told.again() or {}),
                "seq_len": float(self.seq_len),
                "attention_kernel": float(ATTENTION_KERNELS[kernel]),
                "attention_regressed": float(kernel == "cudnn_regressed"),
                **chip_fields(self.cluster.chip, self.cluster.fabric, int8=self.precision == "int8"),
                "global_batch": float(self.global_batch),
                "precision": float(PRECISIONS[self.precision][0]),
                "grad_bytes": 4.0 if told.grad_dtype == "fp32" else 2.0,
                "fp8_params": 1.0 if "fp8" in self.precision else 0.0,
                "framework": float(stack),
                "overlap_cp": 0.0 if stack == codes.FRAMEWORK_FSDP else 1.0,
                "software_year": year,
                "chip_effect": self.chip_effect,
                "family_effect": self.family_effect,
                **plan,
            }
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


def _newest_kernel(chip: Chip) -> str:
    """Return the newest generation of fused attention that a chip has; none before 2020."""
    if chip.vendor == "NVIDIA" and chip.available_on >= _HOPPER_SINCE:
        return "flash3"
    return "flash2" if chip.available_on >= _FUSED_SINCE else "unfused"
