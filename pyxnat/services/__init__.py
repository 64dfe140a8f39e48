"""Services of an Interface: select, search, transfer, inspect, manage."""
