"""The values that a warehouse takes and gives. Nothing of the engine is in them.

Clocks go back, so ids and the order of records say which came last, never a time. Times are in UTC
and do not say so. A value that an earlier version did not record is None.
"""
