"""The verbs of `intelligen`, in the sections in which its help lists them."""

import click

from intelligen.cli.lazy_verb import Verb

SECTIONS = {
    "Files and costs, before a sweep": (
        Verb("init", "verbs.init:init", "Write an experiment file and a sweep file to start from into DIR."),
        Verb(
            "validate",
            "verbs.validate_schema:validate",
            "Check sweep and experiment files without running anything; exit code 2 if one is wrong.",
        ),
        Verb(
            "schema",
            "verbs.validate_schema:schema",
            "Print the JSON schema of sweep files or of experiment files, for editors and other tools.",
        ),
        Verb("plan", "verbs.plan_doctor:plan", "Show what the sweep in FILE would do here, and what it would cost."),
        Verb("doctor", "verbs.plan_doctor:doctor", "Check what sweeps need, and say how to fix each problem."),
    ),
    "A sweep": (
        Verb("run", "verbs.run_resume_extend_stop:run", "Run the sweep in FILE; the same command resumes it."),
        Verb("status", "verbs.status_watch_logs:status", "Show the progress of SWEEP, or list all sweeps."),
        Verb("watch", "verbs.status_watch_logs:watch", "Show the progress of SWEEP until it no longer runs."),
        Verb("logs", "verbs.status_watch_logs:logs", "Show the logs of SWEEP's trials, or of one TRIAL."),
        Verb("stop", "verbs.run_resume_extend_stop:stop", "Ask the launcher of SWEEP to stop, and wait for it."),
        Verb("resume", "verbs.run_resume_extend_stop:resume", "Resume SWEEP from its own directory."),
        Verb("extend", "verbs.run_resume_extend_stop:extend", "Give SWEEP a larger budget and resume it."),
    ),
    "Its results": (
        Verb(
            "trials",
            "verbs.trials:trials",
            "List the trials of SWEEP with their settings, scores, state and cost.",
        ),
        Verb(
            "report",
            "verbs.report_compare_export:report",
            "Write the report of SWEEP: one HTML file that opens anywhere, offline.",
        ),
        Verb("compare", "verbs.report_compare_export:compare", "Put several sweeps into one table and one HTML file."),
        Verb(
            "export",
            "verbs.report_compare_export:export",
            "Export the results of SWEEP as CSV, LaTeX, Markdown, JSON or figures.",
        ),
        Verb(
            "promote",
            "verbs.promote:promote",
            "Register the best model of SWEEP in the MLflow store of its last launch.",
        ),
        Verb(
            "reproduce",
            "verbs.reproduce:reproduce",
            "Train TRIAL of SWEEP again from its manifest, and compare the results.",
        ),
    ),
    "One model": (
        Verb(
            "prepare",
            "verbs.prepare_train_finetune:prepare",
            "Read, filter and tokenise an experiment's data, and summarise them.",
        ),
        Verb(
            "train",
            "verbs.prepare_train_finetune:train",
            "Train an experiment's baseline by teacher forcing, from random weights or those that `initial` names.",
        ),
        Verb("finetune", "verbs.prepare_train_finetune:finetune", "Fine-tune the baseline with a training strategy."),
        Verb(
            "memory",
            "verbs.memory:memory",
            "Measure what updates of EXPERIMENT take at several sizes, and find the largest that fits.",
        ),
        Verb("test", "verbs.inference_test:test", "Decode and score a test set."),
        Verb(
            "inference",
            "verbs.inference_test:inference",
            "Answer lines of text, one by one; on a terminal, prompt for lines.",
        ),
        Verb("chat", "verbs.chat:chat", "Chat with a trained model: answers appear token by token."),
        Verb(
            "export-model",
            "verbs.export_model:export_model",
            "Write MODEL, which began as a pre-trained one, to DIRECTORY, as `transformers` loads it.",
        ),
    ),
    "The shell": (
        Verb("completion", "verbs.completion:completion", "Print the script that completes `intelligen` in a SHELL."),
    ),
}
VERBS = tuple(verb for verbs in SECTIONS.values() for verb in verbs)


class Verbs(click.Group):
    """A group of commands whose help lists the sections above."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section with its verbs, as click does with the verbs of a single one."""
        longest = max(len(str(verb.name)) for verb in VERBS)
        limit = formatter.width - 6 - longest
        for heading, verbs in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{verb.name:<{longest}}", verb.get_short_help_str(limit)) for verb in verbs])
