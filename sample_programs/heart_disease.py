"""Heart Disease: three opinions, at slightly different temperatures, and a vote. Two modules, four predictors."""

from __future__ import annotations

from typing import Any

import dspy

from mipro_studio.sample_programs.answers import exact_answer as metric
from mipro_studio.sample_programs.tasks.paper_tasks import HEART as SAMPLE

__all__ = ["SAMPLE", "HeartDisease", "HeartDiseaseOpinion", "HeartDiseaseVote", "metric", "program"]

OPINIONS = 3


class _Patient(dspy.Signature):  # type: ignore[misc]
    age: str = dspy.InputField(desc="Age in years")
    sex: str = dspy.InputField(desc="Sex (male or female)")
    cp: str = dspy.InputField(
        desc="Chest pain type (typical angina, atypical angina, non-anginal pain, asymptomatic)"
    )
    trestbps: str = dspy.InputField(desc="Resting blood pressure (in mm Hg on admission to the hospital)")
    chol: str = dspy.InputField(desc="Serum cholesterol in mg/dl")
    fbs: str = dspy.InputField(desc="Fasting blood sugar > 120 mg/dl (true or false)")
    restecg: str = dspy.InputField(
        desc="Resting electrocardiographic results (normal, ST-T wave abnormality, left ventricular hypertrophy)"
    )
    thalach: str = dspy.InputField(desc="Maximum heart rate achieved")
    exang: str = dspy.InputField(desc="Exercise induced angina (yes or no)")
    oldpeak: str = dspy.InputField(desc="ST depression induced by exercise relative to rest")
    slope: str = dspy.InputField(desc="The slope of the peak exercise ST segment (upsloping, flat, downsloping)")
    ca: str = dspy.InputField(desc="Number of major vessels (0-3) colored by flourosopy")  # as published
    thal: str = dspy.InputField(desc="Thalassemia (normal, fixed defect, reversible defect)")


class HeartDiseaseOpinion(_Patient):
    """Given patient information, predict the presence of heart disease."""

    answer: str = dspy.OutputField(desc="Does this patient have heart disease? Just yes or no.")


class HeartDiseaseVote(_Patient):
    """Given patient information, predict the presence of heart disease. I can critically assess the provided trainee opinions."""  # noqa: E501 - the paper's seed instruction is one line

    context: list[str] = dspy.InputField(desc="A list of opinions from trainee doctors.")
    answer: str = dspy.OutputField(desc="Does this patient have heart disease? Just yes or no.")


class HeartDisease(dspy.Module):  # type: ignore[misc]
    """``classify[0]``, ``classify[1]``, ``classify[2]`` and ``vote``."""

    def __init__(self) -> None:
        super().__init__()
        self.classify = [
            dspy.ChainOfThought(HeartDiseaseOpinion, temperature=0.7 + i * 0.01) for i in range(OPINIONS)
        ]
        self.vote = dspy.ChainOfThought(HeartDiseaseVote)

    def forward(self, **patient: str) -> Any:
        opinions = [_told(trainee(**patient)) for trainee in self.classify]
        return self.vote(context=opinions, **patient)


def _told(opinion: Any) -> str:
    reason = str(opinion.reasoning).replace("\n", " ").strip(".")
    return f"I'm a trainee doctor, trying to {reason}. Hence, my answer is {str(opinion.answer).strip('.')}."


program = HeartDisease
