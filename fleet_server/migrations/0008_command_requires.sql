-- What must hold right before a command is written: [[device, channel, lowest, highest], ...], numbers as text.
ALTER TABLE command ADD COLUMN requires jsonb NOT NULL DEFAULT '[]';
