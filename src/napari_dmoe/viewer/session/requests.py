"""What a run is asked for, so that a result can be told to be outdated, and why."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.patient import Patient

if TYPE_CHECKING:
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.viewer.session.shares import Stated


class _Gone:
    """What a request refers to whose model is not here."""


@dataclass(frozen=True)
class Request:
    """What a run is asked for.

    Of the patient only the routers count, and of the image that it is the same.
    """

    model: weakref.ref[LoadedModel]
    """The model; weakly, so that a result does not keep its memory."""
    routers: Mapping[str, int | None]
    """The router of each attribute; None for an unknown one."""
    settings: InferenceSettings
    image_version: int
    """How often the image had been changed."""
    shares: tuple[tuple[str, tuple[float, ...]], ...] = ()
    """Shares that a person stated for the values of unknown drivers."""
    patient: Patient = field(default_factory=Patient, compare=False)
    """The whole patient, who only counts by the routers."""
    is_of_file: bool = False
    """Whether it stands for a mask from a file, of whose run nothing else is known."""

    @classmethod
    def of(
        cls,
        loaded: LoadedModel,
        patient: Patient,
        settings: InferenceSettings,
        image_version: int,
        stated: Stated,
    ) -> Request:
        """Return what a run of a model for a patient is asked for.

        Raises
        ------
        PatientError
            When the model does not know the value of a driver.
        """
        names = [attribute.name for attribute in loaded.card.attributes]
        routers = dict(zip(names, loaded.card.categories(patient), strict=True))
        shares = stated.of(loaded.card)
        unknown = tuple(each for each in shares.items() if routers[each[0]] is None)
        model = weakref.ref(loaded)
        return cls(model, routers, settings, image_version, unknown, patient)

    @classmethod
    def of_file(cls) -> Request:
        """Return what stands for the request of a mask from a file: nobody knows it."""
        gone: weakref.ref[Any] = weakref.ref(_Gone())
        settings = InferenceSettings()
        return cls(gone, {}, settings, image_version=0, is_of_file=True)

    def for_router(self, attribute: str, router: int) -> Request:
        """Return the same for another value of a driver, given as its router."""
        return replace(
            self,
            routers={**self.routers, attribute: router},
            shares=tuple(each for each in self.shares if each[0] != attribute),
        )

    def changes(self, other: Request) -> tuple[str, ...]:
        """Name what differs in another request."""
        if self.model != other.model:
            # Routers of two models cannot be compared: they number other values.
            return ("the model",)
        parts = {
            name.replace("_", " "): router == other.routers.get(name)
            for name, router in self.routers.items()
        } | {
            "the weights of unknown values": dict(self.shares) == dict(other.shares),
            "the settings": self.settings == other.settings,
            "the image": self.image_version == other.image_version,
        }
        return tuple(name for name, is_same in parts.items() if not is_same)
