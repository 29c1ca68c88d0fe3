"""What time brings: requests that nobody decides, lifetimes that end, reminders, rules that have changed."""
