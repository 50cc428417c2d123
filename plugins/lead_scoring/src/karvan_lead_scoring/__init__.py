"""Lead scoring for Karvan: rules give points, points a score and a grade, with a reason for each."""
