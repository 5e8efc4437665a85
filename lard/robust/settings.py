"""What the pipeline certifies, attacks and states of the models it trains: params.yaml `robustness`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_Eps = Annotated[float, Field(gt=0, le=1e4, allow_inf_nan=False)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CertifySettings(_Settings):
    """Certificates of the Lipschitz models; eps are L2 norms of whole pictures, pixels in [0, 1]."""

    pictures: int = Field(default=100, ge=1)  # at most, evenly drawn from the test pictures
    eps: tuple[_Eps, ...] = Field(
        default=(0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0), min_length=1, max_length=20
    )


class AttackSettings(_Settings):
    """Attacks that make required runways vanish, on every model; L2 norms as those of certificates."""

    pictures: int = Field(default=12, ge=1)
    eps: tuple[_Eps, ...] = Field(default=(0.1, 0.5), min_length=1, max_length=20)
    steps: int = Field(default=6, ge=1, le=10_000)
    restarts: int = Field(default=1, ge=1, le=100)
    smallest_steps: int = Field(default=0, ge=0, le=10_000)
    checked: int = Field(default=1, ge=0)  # pictures on which signs of masked gradients are sought
    queries: int = Field(default=20, ge=0, le=1_000_000)
    shown: int = Field(default=2, ge=0)  # pictures of the gallery
    seed: int = Field(default=0, ge=0)


class ConformSettings(_Settings):
    """Conformal statements of every model; alpha: the least that the validation airports allow, else."""

    alpha: float | None = Field(default=None, gt=0, lt=1)
    unit: Literal["airport", "runway"] = "airport"
    method: Literal["additive", "multiplicative"] = "multiplicative"


class RobustnessSettings(_Settings):
    """The three stages."""

    certify: CertifySettings = CertifySettings()
    attack: AttackSettings = AttackSettings()
    conform: ConformSettings = ConformSettings()
