"""What stands in the viewer's scene: Gaussians, cameras, marks and lines, and where who looks stands (viser)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from chorus.capture import Capture
from chorus.scene import GaussianScene
from chorus.view import render
from chorus.view.session import Session
from chorus_kernels.reference import rotation_matrices

GAP = 0.15  # of a room's width between two that stand side by side
FRUSTUM = 0.04  # of the room's diagonal
STAND_OFF = 1.6  # m, at least, from an object that is flown to
MARKED = (255, 80, 40)


class Drawn:
    """server: viser's; sessions: of a scene each, which stand side by side along x.

    offsets: [3] m of each, from its own coordinates to the view's.
    """

    def __init__(self, server, sessions: Sequence[Session]):
        self.server, self.sessions = server, sessions
        self.offsets = _side_by_side(sessions)
        self._splats, self._frusta = [], []
        server.scene.set_up_direction("+z")
        for number, session in enumerate(sessions):
            self._add_splats(number, session)
            if session.named.capture is not None:
                self._add_frusta(number, session, session.named.capture)
        self._stand_above()

    @property
    def has_cameras(self) -> bool:
        """Whether a scene knows where its pictures were taken."""
        return bool(self._frusta)

    def paint(self, number: int, colors: np.ndarray, shown: np.ndarray) -> None:
        """Colour a scene's Gaussians: colors [N, 3] in [0, 1] of all of them, shown [N] bool."""
        session, splats = self.sessions[number], self._splats[number]
        rows = session.kept
        with self.server.atomic():
            splats.rgbs = colors[rows].astype(np.float32)
            splats.opacities = (session.scene.opacities.numpy()[rows] * shown[rows])[:, None].astype(np.float32)

    def show_cameras(self, visible: bool) -> None:
        """Show or hide the captures' cameras with their pictures."""
        for frustum in self._frusta:
            frustum.visible = visible

    def mark(self, place: np.ndarray) -> None:
        """A ball at a point [3] of the view, in the place of the last one."""
        self.server.scene.add_icosphere("/mark", radius=0.02, color=MARKED, position=tuple(place))

    def line(self, ends: np.ndarray) -> None:
        """A line between two points [2, 3] of the view, in the place of the last one."""
        self.server.scene.add_line_segments("/measure", ends[None].astype(np.float32), colors=MARKED, thickness=0.01)

    def fly(self, client, place: np.ndarray, size: float) -> None:
        """Bring one who looks, or all where client is None, before something of a size in m."""
        clients = self.server.get_clients().values() if client is None else [client]
        for one in clients:
            away = np.asarray(one.camera.position) - place
            away = away / max(float(np.linalg.norm(away)), 1e-6)
            with one.atomic():
                one.camera.look_at = tuple(place)
                one.camera.position = tuple(place + away * max(STAND_OFF, 1.5 * size))

    def _add_splats(self, number: int, session: Session) -> None:
        scene, rows = session.scene, session.kept
        self._splats.append(
            self.server.scene.add_gaussian_splats(
                f"/scene{number}",
                centers=scene.means.numpy()[rows].astype(np.float32),
                covariances=_covariances(scene.select(torch.from_numpy(rows))),
                rgbs=scene.rgb.numpy()[rows],
                opacities=scene.opacities.numpy()[rows, None],
                position=tuple(self.offsets[number]),
            )
        )

    def _add_frusta(self, number: int, session: Session, capture: Capture) -> None:
        low, high = render.bounds(session.scene)
        cameras = capture.cameras
        for view in range(len(cameras)):
            pose = cameras.world_from_cam[view]
            eye = pose[:3, 3] + self.offsets[number]
            frustum = self.server.scene.add_camera_frustum(
                f"/cameras{number}/{view}",
                fov=float(2 * np.arctan(cameras.height / (2 * cameras.K[view, 1, 1]))),
                aspect=cameras.width / cameras.height,
                scale=FRUSTUM * float(np.linalg.norm(high - low)),
                image=_small(capture.images[view]),
                format="jpeg",
                wxyz=tuple(_quaternion(pose[:3, :3])),
                position=tuple(eye),
                visible=False,
            )
            frustum.on_click(lambda event, eye=eye, ahead=pose[:3, 2]: _stand_at(event.client, eye, ahead))
            self._frusta.append(frustum)

    def _stand_above(self) -> None:
        """Begin above one side of all that is shown."""
        corners = [np.stack(render.bounds(s.scene)) + o for s, o in zip(self.sessions, self.offsets, strict=True)]
        low, high = np.min([c[0] for c in corners], axis=0), np.max([c[1] for c in corners], axis=0)
        middle, size = (low + high) / 2, high - low
        self.server.initial_camera.look_at = tuple(middle - [0, 0, 0.2 * size[2]])
        self.server.initial_camera.position = tuple(middle + [0.0, -0.9 * max(size[:2]), 1.1 * max(size[:2])])


def _stand_at(client, eye: np.ndarray, ahead: np.ndarray) -> None:
    with client.atomic():
        client.camera.position = tuple(eye)
        client.camera.look_at = tuple(eye + ahead)


def _side_by_side(sessions: Sequence[Session]) -> list[np.ndarray]:
    """[3] m to move each scene by, so that they stand along x."""
    offsets, edge = [], 0.0
    for number, session in enumerate(sessions):
        low, high = render.bounds(session.scene)
        width = high[0] - low[0]
        offsets.append(np.array([edge + GAP * width - low[0] if number else 0.0, 0.0, 0.0]))
        edge = high[0] + offsets[-1][0]
    return offsets


def _covariances(scene: GaussianScene) -> np.ndarray:
    """[N, 3, 3] R S S' R'."""
    axes = rotation_matrices(scene.unit_quats) * scene.scales[:, None, :]
    return torch.einsum("nij,nkj->nik", axes, axes).numpy().astype(np.float32)


def _small(image: np.ndarray, side: int = 160) -> np.ndarray:
    return image[:: max(1, image.shape[0] // side), :: max(1, image.shape[1] // side)]


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    """[4] wxyz of a rotation [3, 3]."""
    from viser.transforms import SO3

    return SO3.from_matrix(rotation).wxyz
