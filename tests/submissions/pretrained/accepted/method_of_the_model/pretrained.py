# verdict: pass
# style: the model knows how to take them; the function only asks it to


def load_openai_weights(model, variables):
    model.take_openai(variables)
