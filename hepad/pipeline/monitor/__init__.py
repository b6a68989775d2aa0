"""`hepad monitor`: is what a model sees and says the same in each run as in a reference?"""
