"""The commands on the database, for the platform team: migrate, token, team, cluster, dev."""
