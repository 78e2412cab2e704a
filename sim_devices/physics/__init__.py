"""What the simulated devices measure. Pure: functions of a seed and of simulated time, or of state and a step."""
