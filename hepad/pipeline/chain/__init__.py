"""`hepad chain`: the levels of a trigger and a selection behind them as one cut flow."""
