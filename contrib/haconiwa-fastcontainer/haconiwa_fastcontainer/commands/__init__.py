"""The verb `haconiwa fastcontainer`."""
