"""For those who add devices: scaffolds, a vendor's register list as a template, simulators of one's own."""
