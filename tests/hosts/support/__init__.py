"""The network, the deployment and the traffic of the tests of many hosts."""
