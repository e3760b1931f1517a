NAME = "my own launcher"
