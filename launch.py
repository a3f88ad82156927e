"""`python launch.py [FILE] [-o key=value]…` runs the sweep in FILE; without one, search_spaces/quickstart.yaml."""

from intelligen.cli.main import launch

if __name__ == "__main__":
    launch()
