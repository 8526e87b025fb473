"""The window's icon, drawn: one block of the world, half of it still a dream."""

from __future__ import annotations

import pygame

GRASS, GRASS_SHADE = (122, 190, 84), (96, 160, 70)
EARTH, EARTH_SHADE = (140, 98, 66), (108, 74, 52)
DREAM = (150, 170, 255)


def draw_icon(size: int) -> pygame.Surface:
    """An isometric block of `size` pixels on a transparent ground."""
    icon = pygame.Surface((size, size), pygame.SRCALPHA)
    unit = size / 16

    def face(colour: tuple[int, int, int], *corners: tuple[float, float]) -> None:
        pygame.draw.polygon(icon, colour, [(x * unit, y * unit) for x, y in corners])

    face(GRASS, (8, 1), (15, 4.5), (8, 8), (1, 4.5))
    face(EARTH, (1, 4.5), (8, 8), (8, 15.5), (1, 12))
    face(EARTH_SHADE, (15, 4.5), (8, 8), (8, 15.5), (15, 12))
    face(GRASS_SHADE, (1, 4.5), (8, 8), (8, 9.6), (1, 6.1))
    for n in range(3):  # the right side dissolves into dream
        top = 6.5 + 2.6 * n
        face(
            DREAM, (12 + n, top), (13.2 + n, top - 0.6), (13.2 + n, top + 0.8), (12 + n, top + 1.4)
        )
    return icon
