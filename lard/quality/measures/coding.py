"""How a picture's file codes its colours and orientation: what readers may take differently."""

from __future__ import annotations

import io
import warnings

from PIL import Image

PLAIN = ("RGB", "RGBA", "L", "LA", "P", "1")
_ORIENTATION = 0x0112


def coding_of(data: bytes) -> str:
    """What in a file's header makes readers see different pictures; "" for plain 8-bit colour or grey."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd tags and sizes: other measures speak of those
        try:
            with Image.open(io.BytesIO(data)) as image:
                mode, turned = image.mode, int(image.getexif().get(_ORIENTATION, 1) or 1)
                profile = image.info.get("icc_profile") or b""
        except (OSError, ValueError, SyntaxError, TypeError, Image.DecompressionBombError):
            return ""  # no header that Pillow knows; whether it decodes is another question
    found = []
    if mode not in PLAIN:
        found.append(f"its colours are coded as {mode}, not 8-bit RGB")
    if turned != 1:
        found.append(f"EXIF orientation {turned} turns it in some readers")
    # names of profiles are ASCII or UTF-16
    if profile and b"srgb" not in profile.replace(b"\0", b"").lower():
        found.append("it has a colour profile other than sRGB")
    return "; ".join(found)
