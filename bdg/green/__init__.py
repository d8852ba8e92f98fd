"""The resolvent 1/(z - H) and blocks of it."""
