"""What evaluated cohorts show: groups as dots, tables, and the cases behind them."""
