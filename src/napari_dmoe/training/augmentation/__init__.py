"""Pictures and volumes altered at random while a model learns."""
