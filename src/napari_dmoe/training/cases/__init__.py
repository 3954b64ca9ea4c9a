"""What a model learns from: labels, groups, pools of cases, what is held out."""
