"""A program of its own, for a stranger's picture: says what faces are in it, as JSON.

python -m deployments.avatar.looking PICTURE.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from deployments.core.errors import NoFace

from .faces.finder import FaceFinder, values
from .files import read


def look(picture: Path) -> dict[str, Any]:
    """All faces of a picture, the largest first; the one that can talk as `face`, else None and why as `problem`; what
    is odd as `face_notes`.

    Args:
        picture: PNG as media.pictures writes it.
    """
    portrait, finder = read(picture), FaceFinder()
    seen = values(portrait, finder.look(portrait))["faces"]
    try:
        notes = finder.find(portrait).notes
    except NoFace as error:
        problem = " ".join([str(error), *([error.hint] if error.hint else [])])
        return {"faces": seen, "face": None, "problem": problem, "face_notes": []}
    able = next(face for face in seen if face["problem"] is None)
    return {"faces": seen, "face": able, "problem": None, "face_notes": list(notes)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(look(Path(sys.argv[1]))))
