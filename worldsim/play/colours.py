"""The colours of everything that is drawn over the picture."""

from __future__ import annotations

INK = (244, 244, 240)
FAINT = (200, 206, 210)
ACCENT = (255, 214, 120)
LATE = (255, 120, 96)
PANEL = (12, 16, 22, 185)
DIM = (8, 10, 16, 140)
CURTAIN = (8, 10, 16, 205)  # behind the menu
ROW = (255, 255, 255, 14)
CHOSEN = (255, 214, 120, 52)
HELD, ON_HELD = (255, 214, 120, 200), (20, 22, 28)  # a key that is down, and its name
CONE, PATH = (255, 214, 120, 70), (150, 170, 190)  # on the map
RULE = (60, 66, 78)  # of a graph, and what is left of a bar
CAPTION = (12, 16, 22, 190)
BLANK = (58, 66, 84)  # a card without a picture
