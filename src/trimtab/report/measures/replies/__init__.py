"""What a report shows of replies to open prompts: settings to use, every reply, and what a push costs."""

from trimtab.report.measures.replies._reply_browser import WAYS, examples
from trimtab.report.measures.replies._reply_results import ReplyResults
from trimtab.report.measures.replies.reply_report import REPLIES, ReplyReport

__all__ = ["REPLIES", "WAYS", "ReplyReport", "ReplyResults", "examples"]
