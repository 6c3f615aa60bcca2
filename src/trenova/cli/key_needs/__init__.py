"""What still needs an encryption key: all that a worker, a later run or a person will read under it.

One module for each place that holds payloads. Each says what it did not see, since what was not seen may need a key,
and each whose payloads a program of ours has to open says what the keys here do not open.
"""
