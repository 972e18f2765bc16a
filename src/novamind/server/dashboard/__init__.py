"""What people see in a browser: pages behind the same guard, the same access rule and the same audit as the API.

Pages are written by the server and readable without JavaScript; one script fetches slow parts after the page is there.
"""
