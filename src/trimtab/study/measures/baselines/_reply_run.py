"""Replies under the arms, and what the study's judges make of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import pandas as pd

from trimtab.analysis.baselines.arm_names import ARM, BEST, PLAIN, SIDES
from trimtab.analysis.baselines.choosing import toward
from trimtab.data import Pair
from trimtab.errors import DataError, TrimtabError
from trimtab.evaluation import reply_references
from trimtab.evaluation.baselines.arm_replies import arm_replies
from trimtab.evaluation.baselines.arms import THE_MODEL, Arm, Push
from trimtab.evaluation.baselines.prompt_arms import few_shot_arm
from trimtab.judges import Exchange, Judge
from trimtab.study.measures.base import Subject
from trimtab.study.measures.baselines._baseline_run import BaselineRun
from trimtab.study.measures.baselines._comparison import Comparison, joined
from trimtab.study.measures.baselines._lora_run import fine_tuned_arms
from trimtab.study.measures.replies.judging import panel_for
from trimtab.study.measures.replies.settings import Replies

_WHERE = ("model", "behavior", "engine", "layers", "scale", "strength", "positions", "split", "prompt_id")


def replies_of(subject: Subject, compared: Comparison) -> Replies | None:
    """The study's settings of replies, where it has any for this behavior and the comparison is to have replies."""
    replies = subject.study.replies
    wanted = compared.settings.replies and replies is not None and bool(reply_prompts(compared, replies))
    covered = replies is not None and replies.covers(subject.model, subject.setting.label, subject.behavior.is_choice)
    return replies if wanted and covered else None


def reply_prompts(compared: Comparison, replies: Replies) -> Sequence[Pair]:
    """The held-out prompts that are replied to."""
    return compared.test_prompts[: replies.prompts]


def write_replies(run: BaselineRun, replies: Replies) -> pd.DataFrame:
    """The replies of the plain model and of every arm to the held-out prompts."""
    model, subject = run.context.model, run.context.subject
    prompts = reply_prompts(run.compared, replies)
    references = reply_references(
        model, [("test", pair) for pair in prompts], {"test": run.compared.test_prompts}
    )  # as the study's own replies are read
    found = []
    for arm in (THE_MODEL, *_arms(run)):
        try:
            found.append(
                arm_replies(
                    model, arm, prompts, references, behavior=subject.name, max_new_tokens=replies.max_new_tokens
                )
            )
        except DataError as error:
            run.left_out(f"replies under {arm.name}", error)
    if run.compared.is_fine_tuned:
        try:
            with closing(fine_tuned_arms(run)) as arms:
                found += [
                    arm_replies(
                        model, arm, prompts, references, behavior=subject.name,
                        max_new_tokens=replies.max_new_tokens, at_rest=tuned.at_rest,
                    )
                    for arm, tuned in arms
                ]  # fmt: skip
        except TrimtabError as error:
            run.left_out("replies of fine-tuning", error)
    joined: pd.DataFrame = pd.concat(found, ignore_index=True)
    return joined


def _arms(run: BaselineRun) -> Iterator[Arm]:
    """The arms that reply: prompts, the vector at the setting that replies recommend, and both together."""
    prompts = run.system_arms()
    yield from prompts
    if run.compared.shots:
        yield from (few_shot_arm(run.compared.shots, side, "text") for side in SIDES)
    vectors = list(_vector_arms(run))
    yield from vectors
    yield from run.combined(prompts, {arm.side: arm.push for arm in vectors if arm.at == BEST and arm.push is not None})


def _vector_arms(run: BaselineRun) -> Iterator[Arm]:
    """The study's vector at the setting that judged replies recommend, else that scores chose; and at equal dose."""
    recommended = run.context.subject.recommended
    by_scores = run.vector_arms(run.compared.method) if run.compared.is_scored else []
    if recommended is None:
        yield from by_scores
        return
    for cell in recommended.steered:
        side = "for" if cell.strength > 0 else "against"
        grid = replace(recommended, layers=(cell.layers,), strengths=(cell.strength,))
        assert toward(side) * cell.strength > 0
        yield Arm(run.own_name, "vector", side, BEST, push=Push(run.context.vector, grid))
    yield from (arm for arm in by_scores if arm.at != BEST)


def judge_replies(run: BaselineRun, replies: Replies) -> pd.DataFrame:
    """What each judge of the study makes of the replies of every arm, beside the plain model's."""
    panel = panel_for(replies, run.context.subject.setting.label, run.context.subject.behavior)
    written = run.stored("replies", "replies")
    steered = written[written["arm"] != PLAIN]
    table = joined(_judged(judge, steered, written) for judge in panel.judges)
    for reason in panel.declined:
        run.say(f"a judge declined: {reason}")
    _say_what_failed(run, table)
    return table


def judge_again(run: BaselineRun, replies: Replies, before: pd.DataFrame) -> pd.DataFrame:
    """The judgements with those made again that failed; the same table where none did."""
    if not len(before) or not (failed := before["failure"] != "").any():
        return before
    panel = panel_for(replies, run.context.subject.setting.label, run.context.subject.behavior)
    written = run.stored("replies", "replies")
    where = [*_WHERE, *ARM]
    parts = [before[~failed]]
    for judge in panel.judges:
        mine = before.loc[failed & (before["judge"] == judge.name), where]
        parts.append(_judged(judge, written.merge(mine, on=where), written))
    table = joined(parts)
    _say_what_failed(run, table)
    return table


def _judged(judge: Judge, waiting: pd.DataFrame, written: pd.DataFrame) -> pd.DataFrame:
    """What a judge makes of some replies, each beside the plain model's to the same prompt."""
    plain = written[written["arm"] == PLAIN].set_index("prompt_id")["reply"]
    exchanges = [Exchange(str(row.prompt), str(row.reply), plain[row.prompt_id]) for row in waiting.itertuples()]
    if not exchanges:
        nothing: pd.DataFrame = pd.DataFrame()
        return nothing
    found = dict(judge.judge(exchanges))
    judgements = pd.DataFrame([vars(found[index]) for index in range(len(exchanges))])
    places = waiting[[*_WHERE, *ARM]].reset_index(drop=True).assign(judge=judge.name)
    table: pd.DataFrame = pd.concat([places, judgements], axis=1)
    return table


def _say_what_failed(run: BaselineRun, table: pd.DataFrame) -> None:
    failed = int((table["failure"] != "").sum()) if len(table) else 0
    if failed:
        run.say(
            f"{failed} of {len(table)} judgements of replies failed; they are missing from the comparison, and made "
            "again when the command is given again"
        )
