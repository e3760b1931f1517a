NAME = "my own worker"
