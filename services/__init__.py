"""What runs: the rooms of the hub, three floors, no arrow upward."""
