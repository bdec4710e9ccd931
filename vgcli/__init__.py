"""The command line `vgllm`: parse, call one function of vgcli_core, show."""
