"""An audit that goes on, is stopped and resumed, reopened and reported."""
