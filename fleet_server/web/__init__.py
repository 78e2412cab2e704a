"""What every page of the console shares: the page frame, one stylesheet, the live script, two languages."""
