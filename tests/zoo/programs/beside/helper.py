def shorten(text):
    return text.replace("Tell me about ", "")
