"""Replies: judged cells, the setting to use in each direction, successive halving, agreement with scores."""

from trimtab.analysis.replies.coherence import MAX_SCORE
from trimtab.analysis.replies.halving import rounds, survivors
from trimtab.analysis.replies.reply_agreement import reply_agreement
from trimtab.analysis.replies.reply_cells import OWNER, SPEAKER, first_judged, judged_replies, reply_cells
from trimtab.analysis.replies.reply_falls import with_falls
from trimtab.analysis.replies.reply_findings import reply_findings
from trimtab.analysis.replies.reply_sentences import placed
from trimtab.analysis.replies.reply_tables import DOSE, JUDGEMENTS, REPLIES, WRITTEN_REPLIES
from trimtab.analysis.replies.tuning import pareto, recommended, usable_strengths

__all__ = [
    "DOSE",
    "JUDGEMENTS",
    "MAX_SCORE",
    "OWNER",
    "REPLIES",
    "SPEAKER",
    "WRITTEN_REPLIES",
    "first_judged",
    "judged_replies",
    "pareto",
    "placed",
    "recommended",
    "reply_agreement",
    "reply_cells",
    "reply_findings",
    "rounds",
    "survivors",
    "usable_strengths",
    "with_falls",
]
