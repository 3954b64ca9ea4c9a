"""What every case would have got for every value, and whom the right one helps."""
