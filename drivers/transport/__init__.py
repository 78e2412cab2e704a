"""What carries frames, whatever their protocol: serial ports, TCP connections, and a line that several share."""
