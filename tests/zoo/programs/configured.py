"""A script as people have it: everything is configured at the top, and a run stands at the bottom."""

import dspy

lm = dspy.LM("openai/my-own", api_key="x", temperature=0.2)
dspy.configure(lm=lm, adapter=dspy.JSONAdapter())


class Ask(dspy.Signature):
    """Say whether the number is even or odd."""

    text = dspy.InputField()
    answer = dspy.OutputField()


program = dspy.Predict(Ask)


def metric(example, pred, trace=None):
    return pred.answer == example.answer


if __name__ == "__main__":
    print(program(text="item 1"))
