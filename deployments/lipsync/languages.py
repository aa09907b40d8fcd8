"""Names of languages, as a user may write them."""

from __future__ import annotations

import re

from deployments.core.errors import BadInput

_NAME = re.compile(r"([a-z]{2,3})(?:[-_]([a-z]{2}|[0-9]{3}))?", re.IGNORECASE)
_ISO_639_1 = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg
ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn
no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta
te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
_ISO_639_3 = """
bpy chr cmn crh grc hak haw hyw jbo kaa kok lfn ltg mto nci nog pap qdb quc qya rup shn sjn smj xex yue
"""
"""Those that espeak-ng speaks and that have no code of two letters."""
_CODES = frozenset((_ISO_639_1 + _ISO_639_3).split())


def canonical(name: str) -> str:
    """As in en_US or de; empty for an empty name.

    Raises:
        BadInput: that is no language.
    """
    if not name:
        return ""
    match = _NAME.fullmatch(name)
    if match is None or match[1].lower() not in _CODES:
        raise BadInput(
            f"language: {name[:40]!r} is no language.",
            hint="Send a code such as en, en_US, de, fr or pt_BR, or leave it out where you do not know.",
        )
    return f"{match[1].lower()}_{match[2].upper()}" if match[2] else match[1].lower()
