"""Protocols: which sources train and which are tested, and what a benchmark scores under them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Protocol(BaseModel):
    """Which sources train and which are tested; a source is the name of a dataset folder in data/."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    train: tuple[str, ...] = Field(min_length=1)
    test: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Protocol:
        for part in (self.train, self.test):
            if len(set(part)) < len(part):
                raise ValueError(f"a source is named twice in {list(part)}")
        return self


class ScoreSpec(BaseModel):
    """How operating points are chosen on the validation pictures."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    false_alarms_per_image: float = Field(default=0.1, gt=0, allow_inf_nan=False)


class Benchmark(BaseModel):
    """What the pipeline trains and scores: every model under every protocol."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    models: tuple[str, ...] = Field(min_length=1)
    protocols: tuple[str, ...] = Field(min_length=1)
