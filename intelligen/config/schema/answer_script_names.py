"""Scripts by whose rules answers are compared."""

from typing import Literal

AnswerScript = Literal["squad", "korquad"]
