NAME = "my own tests"
